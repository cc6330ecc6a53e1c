/* glob.h - does a key match a pattern? As Redis has it:
 *
 *   ?        any one byte            *      any bytes, also none
 *   [abc]    one of these            [a-c]  one from a to c, either way round
 *   [^abc]   none of these           \x     x itself, also inside []
 *
 * All else stands for itself; so does a last lone \. Bytes, not characters;
 * case counts. A set without its ] reaches to the pattern's end, as Redis
 * clients expect; to everybody else it is a mistake: glob_check().
 *
 * Never more than key size x pattern size steps, no recursion. Pure. */
#ifndef PROTO_GLOB_H
#define PROTO_GLOB_H

#include <stdbool.h>

#include "proto/base/bytes.h"

bool glob_match(struct slice pattern, struct slice key);

/* NULL, or what is wrong with the pattern and what to do: a static text. */
const char *glob_check(struct slice pattern);

/* Append the bytes with which every key that matches begins: what stands before
 * the first wildcard. */
void glob_prefix(struct slice pattern, struct buf *out);

#endif
