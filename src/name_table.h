/* Tables of named things: hash tables with open addressing, at least half empty. */
#ifndef BPI_NAME_TABLE_H
#define BPI_NAME_TABLE_H

#include <stddef.h>
#include <stdint.h>

/* A place: empty when `item` is NULL. The name belongs to whoever added it. */
typedef struct bpi_name_place {
    uint64_t hash;
    const char *name;
    void *item;
} bpi_name_place;

/* All zeros: empty. */
typedef struct bpi_name_table {
    bpi_name_place *places;
    size_t size, count; /* places, a power of two or 0, and how many are taken */
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
