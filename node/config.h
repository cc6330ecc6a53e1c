/* config.h - the daemon's settings: command line over file over defaults. */
#ifndef NODE_CONFIG_H
#define NODE_CONFIG_H

#include "node/shell/node.h"
#include "proto/base/log.h"

struct config {
    struct node_options node;
    enum log_level log_level;
    bool check_only; /* --check-config */
};

/* Read the command line and the file it names. 0: go on; another number: exit
 * with it (--help and the like, or an error that was written to stderr: 2). */
int config_read(int argc, char **argv, struct config *c);

#endif
