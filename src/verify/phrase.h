/* Formulas for readers: a formula's tree printed with other names put in, ones
 * and zeros taken out. */
#ifndef BPI_PHRASE_H
#define BPI_PHRASE_H

#include "formula.h"

/* How tightly the outermost operator of a text binds. */
enum {
    BPI_BIND_CHOICE,
    BPI_BIND_COMPARE,
    BPI_BIND_SUM,
    BPI_BIND_MATMUL,
    BPI_BIND_PRODUCT,
    BPI_BIND_POWER,
    BPI_BIND_ATOM
};

/* A piece of formula as text (UTF-8); NULL when memory was short. */
typedef struct bpi_phrase {
    const char *text;
    int binding;
    bool number; /* its value is known: */
    double value;
    bool scalar; /* one element */
} bpi_phrase;

/* What the names of a formula stand for. `find` returns false for a name that it does not know. */
typedef struct bpi_phrase_names {
    bool (*find)(void *context, const char *name, bpi_phrase *phrase);
    /* The number of elements of an operand, or along the axis or axes that `along`
     * says; 0: unknown. */
    double (*size)(void *context, const char *name, const bpi_expr *along);
    /* Writes a call whose arguments are written already in another way; false: as a call. */
    bool (*call)(void *context, const bpi_expr *call, const bpi_phrase *args, bpi_phrase *phrase);
    void *context;
    bpi_arena *arena;
} bpi_phrase_names;

bpi_phrase bpi_phrase_of(const bpi_expr *expr, const bpi_phrase_names *names);
/* The text of a phrase, in parentheses where it binds less tightly than that. */
const char *bpi_phrase_text(const bpi_phrase *phrase, int binding, bpi_arena *arena);
bpi_phrase bpi_phrase_number(double value, bpi_arena *arena);
bpi_phrase bpi_phrase_atom(const char *text, bool scalar);
bpi_phrase bpi_phrase_sum(bpi_phrase a, bpi_phrase b, bpi_arena *arena);
bpi_phrase bpi_phrase_transposed(bpi_phrase x, bpi_arena *arena);
/* Formats into the arena; NULL when memory is short. */
const char *bpi_arena_format(bpi_arena *arena, const char *format, ...) BP_FORMAT(2, 3);
/* The number of characters of a UTF-8 text. */
int bpi_text_width(const char *text);

#endif
