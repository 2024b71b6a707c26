/* Text: a growing string, and numbers in words that do not depend on the locale. */
#ifndef BPI_TEXT_H
#define BPI_TEXT_H

#include <backprop/base.h>
#include <stdarg.h>

typedef struct bpi_text {
    char *data; /* NULL while empty */
    size_t length, capacity;
    bool short_of_memory; /* further appends are ignored */
} bpi_text;

void bpi_text_add(bpi_text *text, const char *format, ...) BP_FORMAT(2, 3);
void bpi_text_clear(bpi_text *text); /* keeps the memory */
void bpi_text_free(bpi_text *text);
/* Returns the string; "" while empty; NULL when memory was short. */
const char *bpi_text_data(const bpi_text *text);

/* As vsnprintf with the decimal point of the C locale, whatever the program's locale is. */
int bpi_format(char *out, size_t size, const char *format, ...) BP_FORMAT(3, 4);
int bpi_vformat(char *out, size_t size, const char *format, va_list args) BP_FORMAT(3, 0);

/* Writes "[2,3]", or "scalar", into `out` of BPI_SHAPE_TEXT bytes; returns `out`. */
#define BPI_SHAPE_TEXT 192
const char *bpi_shape_text(const bp_shape *shape, char *out);

/* Fills a failure, if there is one to fill, and returns `status`. A failure that is
 * already set stays. */
bp_status bpi_fail(bp_failure *why, bp_status status, const char *format, ...) BP_FORMAT(3, 4);
/* Fills a failure, also one that is set. */
void bpi_vfail(bp_failure *why, bp_status status, const char *format, va_list args) BP_FORMAT(3, 0);

#endif
