/* Allocation: the one place where the library takes memory, so that tests can count and fail it. */
#ifndef BPI_MEMORY_H
#define BPI_MEMORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* As malloc, calloc, realloc, free and aligned_alloc(64); NULL when memory is short.
 * `bytes` may be 0. */
void *bpi_alloc(size_t bytes);
void *bpi_alloc_zeroed(size_t bytes);
void *bpi_realloc(void *old, size_t bytes);
void *bpi_alloc_aligned(size_t bytes); /* 64-byte aligned, size rounded up; free with bpi_free */
void bpi_free(void *memory);

/* Makes room for one more element of `size` bytes in a growing array: doubles *capacity when
 * `count` has reached it. Returns false, with the array unchanged, when memory is short. */
bool bpi_grow(void **array, size_t *capacity, size_t count, size_t size);
/* Makes room for `count` elements in all, where it is known how many there will be. */
bool bpi_reserve(void **array, size_t *capacity, size_t count, size_t size);

/* For tests: the number of successful allocations so far in this process; how many of them live;
 * and make the allocation `after` calls from now (0: the next) fail once, or with `all` every one
 * from there on. A negative `after` switches it off. */
uint64_t bpi_alloc_count(void);
int64_t bpi_alloc_live(void);
void bpi_alloc_fail(int64_t after, bool all);

/* A bump allocator: chunks with stable addresses, all freed together. */
typedef struct bpi_arena_chunk bpi_arena_chunk;
typedef struct bpi_arena {
    bpi_arena_chunk *chunks;
    char *next, *end;
} bpi_arena;
void *bpi_arena_more(bpi_arena *arena, size_t bytes); /* as below, from a new chunk */
/* Aligned to 8; NULL when memory is short. */
static inline void *bpi_arena_alloc(bpi_arena *arena, size_t bytes) {
    char *memory = arena->next;
    if (bytes > (size_t)(arena->end - memory) / 8 * 8)
        return bpi_arena_more(arena, bytes);
    arena->next += (bytes + 7) / 8 * 8;
    return memory;
}
void *bpi_arena_alloc_aligned(bpi_arena *arena, size_t bytes); /* to 64 */
char *bpi_arena_text(bpi_arena *arena, const char *text);
/* Forgets everything, keeps one chunk. Tells whether there was no other: then what was allocated
 * lies where it was until that memory is allocated anew. */
bool bpi_arena_reset(bpi_arena *arena);
void bpi_arena_free(bpi_arena *arena);

#endif
