/* Interned types: equal ones have one address, which stays. */
#include <string.h>

#include "graph.h"

static uint64_t hash_type(const bp_type *type) {
    uint64_t hash = bpi_hash_mix((uint64_t)type->dtype, (uint64_t)type->shape.rank);
    for (int k = 0; k < type->shape.rank; k++)
        hash = bpi_hash_mix(hash, (uint64_t)type->shape.size[k]);
    return hash;
}

/* The place where a type is, or where it belongs. */
static const bp_type **place_of(const bpi_types *types, const bp_type *type) {
    size_t mask = types->size - 1;
    size_t at = hash_type(type) & mask;
    while (types->table[at] && !bpi_same_type(types->table[at], type))
        at = (at + 1) & mask;
    return &types->table[at];
}

static bool grow_types(bpi_types *types) {
    bpi_types old = *types;
    size_t size = old.size ? old.size * 2 : 32;
    const bp_type **table = bpi_alloc_zeroed(size * sizeof *table);
    if (!table)
        return false;
    types->table = table;
    types->size = size;
    for (size_t k = 0; k < old.size; k++)
        if (old.table[k])
            *place_of(types, old.table[k]) = old.table[k];
    bpi_free(old.table);
    return true;
}

const bp_type *bpi_type_intern(bpi_types *types, const bp_type *type) {
    if (types->count * 2 >= types->size && !grow_types(types))
        return NULL;
    const bp_type **place = place_of(types, type);
    if (*place)
        return *place;
    bp_type *copy = bpi_arena_alloc(&types->arena, sizeof *copy);
    if (!copy)
        return NULL;
    *copy = (bp_type){.dtype = type->dtype, .shape.rank = type->shape.rank};
    memcpy(copy->shape.size, type->shape.size, (size_t)type->shape.rank * sizeof(int64_t));
    types->count++;
    return *place = copy;
}

void bpi_types_free(bpi_types *types) {
    bpi_arena_free(&types->arena);
    bpi_free(types->table);
    *types = (bpi_types){0};
}
