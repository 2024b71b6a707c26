/* Text that grows, and numbers that look the same in every locale. */
#define _POSIX_C_SOURCE 200809L
#include "text.h"

#include <locale.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "memory.h"

static locale_t c_locale;
static void make_c_locale(void) { c_locale = newlocale(LC_ALL_MASK, "C", (locale_t)0); }

int bpi_vformat(char *out, size_t size, const char *format, va_list args) {
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, make_c_locale);
    locale_t callers = c_locale ? uselocale(c_locale) : (locale_t)0;
    int length = vsnprintf(out, size, format, args);
    if (callers)
        uselocale(callers);
    return length;
}

int bpi_format(char *out, size_t size, const char *format, ...) {
    va_list args;
    va_start(args, format);
    int length = bpi_vformat(out, size, format, args);
    va_end(args);
    return length;
}

/* ---- a growing string ------------------------------------------------------------------------ */

static bool make_room(bpi_text *text, size_t more) {
    if (text->capacity - text->length > more)
        return true;
    size_t capacity = (text->length + more + 1) * 2;
    char *data = bpi_realloc(text->data, capacity);
    if (!data) {
        text->short_of_memory = true;
        return false;
    }
    text->data = data;
    text->capacity = capacity;
    return true;
}

void bpi_text_add(bpi_text *text, const char *format, ...) {
    va_list args;
    va_start(args, format);
    int needed = bpi_vformat(NULL, 0, format, args);
    va_end(args);
    if (text->short_of_memory || needed < 0 || !make_room(text, (size_t)needed))
        return;
    va_start(args, format);
    bpi_vformat(text->data + text->length, (size_t)needed + 1, format, args);
    va_end(args);
    text->length += (size_t)needed;
}

void bpi_text_clear(bpi_text *text) {
    text->length = 0;
    text->short_of_memory = false;
    if (text->data)
        text->data[0] = '\0';
}

void bpi_text_free(bpi_text *text) {
    bpi_free(text->data);
    *text = (bpi_text){0};
}

const char *bpi_text_data(const bpi_text *text) {
    if (text->short_of_memory)
        return NULL;
    return text->data ? text->data : "";
}

/* ---- shapes and failures in words ------------------------------------------------------------ */

const char *bpi_shape_text(const bp_shape *shape, char *out) {
    if (shape->rank == 0)
        return strcpy(out, "scalar");
    size_t length = 0;
    out[length++] = '[';
    for (int k = 0; k < shape->rank && k < BP_MAX_RANK; k++)
        length += (size_t)bpi_format(out + length, BPI_SHAPE_TEXT - length, k ? ",%lld" : "%lld",
                                     (long long)shape->size[k]);
    strcpy(out + length, "]");
    return out;
}

void bpi_vfail(bp_failure *why, bp_status status, const char *format, va_list args) {
    why->status = status;
    bpi_vformat(why->text, sizeof why->text, format, args);
}

bp_status bpi_fail(bp_failure *why, bp_status status, const char *format, ...) {
    if (!why || why->status != BP_OK)
        return status;
    va_list args;
    va_start(args, format);
    bpi_vfail(why, status, format, args);
    va_end(args);
    return status;
}
