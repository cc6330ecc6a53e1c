/* report.h - results as a table, or as JSON.
 *
 * Over libsmartcols and jansson. Running out of memory aborts, as everywhere.*/
#ifndef CLIENT_CLI_REPORT_H
#define CLIENT_CLI_REPORT_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "proto/base/bytes.h"

struct libscols_table;

struct report_column {
    const char *name;
    bool right; /* aligned */
};

/* A table of these columns, `n` of them. */
struct report {
    struct libscols_table *table;
    unsigned n;
};
void report_init(struct report *r, const struct report_column *columns,
                 unsigned n);
/* Add a row of r->n texts; NULL is an empty cell. Copies. */
void report_row(struct report *r, const char *const *cells);
void report_print(struct report *r, FILE *out);
void report_release(struct report *r);

/* JSON: 64-bit numbers become strings, as many readers keep only 53 bits. */
json_t *json_u64(uint64_t v);
/* Sets name to a text, or if the bytes are not UTF-8, name_base64. */
void json_set_bytes(json_t *object, const char *name, struct slice bytes);
/* Prints with an end of line and gives the reference back. */
void json_print(json_t *j, FILE *out);

/* The same on one line. */
void json_print_line(json_t *j, FILE *out);

/* ID as 32 hexadecimal digits into text[33]. */
void id_format(const uint8_t *id, char *text);
/* "1.2 GiB", "17 B" into text[16]. */
void size_format(uint64_t bytes, char *text);
/* "3 d 4 h", "12 s" into text[32]: how long about. */
void time_format(uint64_t ms, char *text);
/* "7d", "90m", "1500ms" into text[32]: exactly, as options take it. */
void duration_format(uint64_t ms, char *text);

#endif
