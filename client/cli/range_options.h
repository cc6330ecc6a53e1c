/* range_options.h - which keys: the options that scan, count, del and dump
 * share. */
#ifndef CLIENT_CLI_RANGE_OPTIONS_H
#define CLIENT_CLI_RANGE_OPTIONS_H

#include <argp.h>
#include <stdbool.h>

#include "client/coatcheck.h"

struct range_options {
    const char *prefix, *match, *from, *to, *tag;
    bool stale;
};

/* A child parser; its input is a struct range_options, set at ARGP_KEY_INIT. */
extern const struct argp range_argp;

/* Refuse an option of `options` whose argument is empty: an empty variable of a
 * script must not stand for all keys. `all` is how to ask for those. */
void range_refuse_empty(const struct argp_option *options, const char *all,
                        int key, const char *arg, struct argp_state *state);

/* Was anything said about which keys? */
bool range_given(const struct range_options *r);
/* KEYS as an argument: with * ? or [ in it a pattern, else a prefix. */
void range_take(struct range_options *r, const char *keys);
/* For the library; borrows. */
struct coat_scan_options range_scan(const struct range_options *r);

#endif
