/* glob.h - does a key match a pattern? As Redis has it:
 *
 *   ?        any one byte            *      any bytes, also none
 *   [abc]    one of these            [a-c]  one from a to c, either way round
 *   [^abc]   none of these           \x     x itself, also inside []
 *
 * All else stands for itself. A set without its ] reaches to the pattern's end;
 * a last lone \ stands for itself. Bytes, not characters; case counts.
 *
 * Never more than key size x pattern size steps, no recursion. Pure. */
#ifndef PROTO_GLOB_H
#define PROTO_GLOB_H

#include <stdbool.h>

#include "proto/base/bytes.h"

bool glob_match(struct slice pattern, struct slice key);

/* Append the bytes with which every key that matches begins: what stands before
 * the first wildcard. */
void glob_prefix(struct slice pattern, struct buf *out);

#endif
