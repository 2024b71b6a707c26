/* Tables of named things. */
#include "name_table.h"

#include <string.h>

#include "memory.h"

/* The place where a name is, or where it belongs. */
static bpi_name_place *place_of(const bpi_name_table *t, const char *name, uint32_t hash) {
    const size_t mask = t->size - 1;
    size_t at = hash & mask;
    for (; t->places[at].number; at = (at + 1) & mask)
        if (t->places[at].hash == hash &&
            strcmp(t->things[t->places[at].number - 1].name, name) == 0)
            break;
    return &t->places[at];
}

static bool grow(bpi_name_table *t) {
    const size_t size = t->size ? t->size * 2 : 32;
    if (t->size > UINT32_MAX / 2) /* more than the hash and the number can tell apart */
        return false;
    bpi_name_place *places = bpi_alloc_zeroed(size * sizeof *places);
    if (!places)
        return false;
    for (size_t k = 0; k < t->size; k++) {
        size_t at = t->places[k].hash & (size - 1);
        while (t->places[k].number && places[at].number)
            at = (at + 1) & (size - 1);
        if (t->places[k].number)
            places[at] = t->places[k];
    }
    bpi_free(t->places);
    t->places = places;
    t->size = size;
    return true;
}

void *bpi_name_find(const bpi_name_table *t, const char *name, uint64_t hash) {
    if (t->count == 0)
        return NULL;
    const bpi_name_place *place = place_of(t, name, (uint32_t)hash);
    return place->number ? t->things[place->number - 1].item : NULL;
}

void *bpi_name_add(bpi_name_table *t, const char *name, uint64_t hash, void *item) {
    if ((t->count * 2 >= t->size && !grow(t)) ||
        !bpi_grow((void **)&t->things, &t->capacity, t->count, sizeof *t->things))
        return NULL;
    bpi_name_place *place = place_of(t, name, (uint32_t)hash);
    if (!place->number) {
        t->things[t->count++] = (bpi_named){name, item};
        *place = (bpi_name_place){(uint32_t)hash, (uint32_t)t->count};
    }
    return t->things[place->number - 1].item;
}

void bpi_name_clear(bpi_name_table *t) {
    if (t->count)
        memset(t->places, 0, t->size * sizeof *t->places);
    t->count = 0;
}

void bpi_name_free(bpi_name_table *t) {
    bpi_free(t->things);
    bpi_free(t->places);
    *t = (bpi_name_table){0};
}
