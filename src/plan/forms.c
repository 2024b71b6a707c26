/* A hash table of what many steps have in common. */
#include "forms.h"

#include <string.h>

#include "graph.h"

static uint64_t hash_of(const uint64_t *key, size_t words) {
    uint64_t hash = words;
    for (size_t k = 0; k < words; k++)
        hash = bpi_hash_mix(hash, key[k]);
    return hash;
}

/* The place of a key, or the empty one where it belongs. */
static bpi_form *place_of(const bpi_forms *f, uint64_t hash, const uint64_t *key, size_t words) {
    size_t at = hash & (f->size - 1);
    for (; f->table[at].key; at = (at + 1) & (f->size - 1)) {
        const bpi_form *form = &f->table[at];
        if (form->hash == hash && form->words == words &&
            memcmp(form->key, key, words * sizeof *key) == 0)
            break;
    }
    return &f->table[at];
}

static bool grow(bpi_forms *f) {
    bpi_forms larger = {.size = f->size ? 2 * f->size : 32, .count = f->count};
    larger.table = bpi_alloc_zeroed(larger.size * sizeof *larger.table);
    if (!larger.table)
        return false;
    for (size_t k = 0; k < f->size; k++) {
        const bpi_form *form = &f->table[k];
        if (form->key)
            *place_of(&larger, form->hash, form->key, form->words) = *form;
    }
    bpi_free(f->table);
    *f = larger;
    return true;
}

void **bpi_form_of(bpi_forms *f, bpi_arena *arena, const uint64_t *key, size_t words) {
    if (2 * f->count >= f->size && !grow(f))
        return NULL;
    const uint64_t hash = hash_of(key, words);
    bpi_form *form = place_of(f, hash, key, words);
    if (form->key)
        return &form->made;
    uint64_t *own = bpi_arena_alloc(arena, words * sizeof *own);
    if (!own)
        return NULL;
    memcpy(own, key, words * sizeof *own);
    *form = (bpi_form){hash, own, words, NULL};
    f->count++;
    return &form->made;
}

void bpi_forms_free(bpi_forms *f) {
    bpi_free(f->table);
    *f = (bpi_forms){0};
}
