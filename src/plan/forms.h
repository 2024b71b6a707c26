/* What many steps have in common: a graph of a million nodes has as many products and chains, but
 * few that differ in more than in where their operands are. A table finds what has been made for
 * one of them by a key, the words that it follows from. */
#ifndef BPI_PLAN_FORMS_H
#define BPI_PLAN_FORMS_H

#include "memory.h"

typedef struct bpi_form {
    uint64_t hash;
    const uint64_t *key;
    size_t words;
    void *made;
} bpi_form;

/* Begins as zeros. */
typedef struct bpi_forms {
    bpi_form *table; /* hash table; size is a power of two */
    size_t size, count;
} bpi_forms;

/* Returns the place of what was made for a key, NULL there when nothing was yet: to be filled in
 * before the next call. The key is copied into `arena`. NULL when memory is short. */
void **bpi_form_of(bpi_forms *forms, bpi_arena *arena, const uint64_t *key, size_t words);
void bpi_forms_free(bpi_forms *forms);

#endif
