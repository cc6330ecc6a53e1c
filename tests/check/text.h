/* text.h - histories as lines of text, for programs in any language.
 *
 *     places index | places version      the first line; see history.h
 *     KIND KEY PROCESS CALLED RETURNED OUTCOME [NAME=VALUE...]
 *     # a comment; empty lines are fine too
 *
 * KIND is get, set, delete, add, cas or swap; OUTCOME yes, no, either or
 * unknown; KEY, PROCESS and the times are numbers, RETURNED may be "-" for
 * never. NAME is value, expect or seen with a number, "absent" or "present";
 * numbers may be negative (a counter's), they count modulo 2^64. The witness is
 * at=GROUP/INDEX/POSITION, where POSITION may be "last". */
#ifndef TESTS_CHECK_TEXT_H
#define TESTS_CHECK_TEXT_H

#include "proto/base/macros.h"
#include "proto/base/status.h"
#include "tests/check/history.h"

enum { CHECK_LINE_MAX = 400, CHECK_ERROR_MAX = 200 };

/* Add what `line` says (without its end) to the history.
 *
 * STATUS_INVALID  it is no such line; `error` says why, nothing was added. */
MUST_CHECK enum status check_text_parse(const char *line,
                                        struct check_history *h,
                                        char error[CHECK_ERROR_MAX]);

/* The line for `op`, without its end. */
void check_text_write(const struct check_operation *op,
                      char line[CHECK_LINE_MAX]);

#endif
