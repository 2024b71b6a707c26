/* Tables of named things: hash tables with open addressing, at least half empty. */
#ifndef BPI_NAME_TABLE_H
#define BPI_NAME_TABLE_H

#include <stddef.h>
#include <stdint.h>

/* The name belongs to whoever added the thing. */
typedef struct bpi_named {
    const char *name;
    void *item;
} bpi_named;

/* A place holds a part of the hash, so that a thing is looked at only when it is most likely the
 * one, and the number of the thing, from 1 on; 0: empty. */
typedef struct bpi_name_place {
    uint32_t hash, number;
} bpi_name_place;

/* All zeros: empty. */
typedef struct bpi_name_table {
    bpi_named *things; /* in the order in which they were added */
    size_t count, capacity;
    bpi_name_place *places;
    size_t size; /* a power of two or 0 */
} bpi_name_table;

/* Returns the thing of a name whose bpi_hash_name is `hash`; NULL when there is none. */
void *bpi_name_find(const bpi_name_table *table, const char *name, uint64_t hash);
/* Adds a thing, whose name has to stay where it is, unless another has that name. Returns the one
 * that has it then; NULL without memory. */
void *bpi_name_add(bpi_name_table *table, const char *name, uint64_t hash, void *item);
/* Takes all things out, and keeps the memory. */
void bpi_name_clear(bpi_name_table *table);
void bpi_name_free(bpi_name_table *table);

#endif
