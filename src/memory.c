/* Allocation, counted and made to fail by tests; and the bump allocator. */
#define _DEFAULT_SOURCE /* madvise */
#include "memory.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#ifdef __linux__
#include <sys/mman.h>
#endif

static _Atomic uint64_t allocations;
static _Atomic int64_t live;
static _Atomic int64_t fail_after = -1; /* calls until a failure; negative: none */
static _Atomic bool fail_all;

uint64_t bpi_alloc_count(void) { return allocations; }

int64_t bpi_alloc_live(void) { return live; }

void bpi_alloc_fail(int64_t after, bool all) {
    fail_all = all;
    fail_after = after;
}

/* Tells whether this allocation is to fail, and counts it when not. */
static bool must_fail(void) {
    if (fail_after >= 0) {
        int64_t left = atomic_fetch_sub(&fail_after, 1);
        if (left == 0 && fail_all)
            atomic_store(&fail_after, 0);
        if (left == 0)
            return true;
    }
    atomic_fetch_add_explicit(&allocations, 1, memory_order_relaxed);
    return false;
}

enum { HUGE_PAGE = 1 << 21, LARGE = 1 << 22, BOOKKEEPING = 64 };

/* The size to ask for: a large block becomes, with what malloc adds to it, a whole number of huge
 * pages, so that the system can begin it at the beginning of one. */
static size_t whole_pages(size_t bytes) {
    if (bytes < LARGE || bytes > SIZE_MAX / 2)
        return bytes ? bytes : 1;
    return (bytes + BOOKKEEPING + HUGE_PAGE - 1) / HUGE_PAGE * HUGE_PAGE - BOOKKEEPING;
}

/* Asks for huge pages where a block is several of them: the first touch of a page of 4 KB costs
 * more than anything that is done with the bytes in it. Only advice: without it everything works as
 * well. It is for all of the pages that the block lies in, since a mapping in two parts cannot be
 * moved by realloc. */
static void *on_huge_pages(void *memory, size_t bytes) {
#if defined __linux__ && defined MADV_HUGEPAGE
    enum { PAGE = 1 << 12 };
    uintptr_t begin = (uintptr_t)memory / PAGE * PAGE;
    uintptr_t end = ((uintptr_t)memory + bytes + PAGE - 1) / PAGE * PAGE;
    if (memory && bytes >= LARGE)
        madvise((void *)begin, end - begin, MADV_HUGEPAGE);
#else
    (void)bytes;
#endif
    return memory;
}

static void *counted(void *memory, size_t bytes) {
    if (memory)
        atomic_fetch_add_explicit(&live, 1, memory_order_relaxed);
    return on_huge_pages(memory, bytes);
}

void *bpi_alloc(size_t bytes) {
    size_t wanted = whole_pages(bytes);
    return must_fail() ? NULL : counted(malloc(wanted), wanted);
}

void *bpi_alloc_zeroed(size_t bytes) {
    size_t wanted = whole_pages(bytes);
    return must_fail() ? NULL : counted(calloc(1, wanted), wanted);
}

void *bpi_realloc(void *old, size_t bytes) {
    if (!old)
        return bpi_alloc(bytes);
    size_t wanted = whole_pages(bytes);
    return must_fail() ? NULL : on_huge_pages(realloc(old, wanted), wanted);
}

void *bpi_alloc_aligned(size_t bytes) {
    if (bytes > SIZE_MAX - 128 || must_fail())
        return NULL;
    return counted(aligned_alloc(64, bytes ? (bytes + 63) / 64 * 64 : 64), bytes);
}

void bpi_free(void *memory) {
    if (memory)
        atomic_fetch_sub_explicit(&live, 1, memory_order_relaxed);
    free(memory);
}

bool bpi_reserve(void **array, size_t *capacity, size_t count, size_t size) {
    if (count <= *capacity)
        return true;
    if (count > SIZE_MAX / 2 / size)
        return false;
    void *grown = bpi_realloc(*array, count * size);
    if (!grown)
        return false;
    *array = grown;
    *capacity = count;
    return true;
}

bool bpi_grow(void **array, size_t *capacity, size_t count, size_t size) {
    return count < *capacity || bpi_reserve(array, capacity, *capacity ? *capacity * 2 : 16, size);
}

/* ---- arena ----------------------------------------------------------------------------------- */

struct bpi_arena_chunk {
    bpi_arena_chunk *older;
    size_t bytes; /* of the room behind this header */
    _Alignas(16) char room[];
};

enum { FIRST_CHUNK = 1 << 12, LARGEST_CHUNK = 1 << 26 };

/* Memory for a chunk. A large one begins with a huge page: in one that malloc has written its
 * bookkeeping into there are small pages already. */
static bpi_arena_chunk *chunk_memory(size_t bytes) {
    if (bytes < LARGE)
        return bpi_alloc(bytes);
    return must_fail() ? NULL : counted(aligned_alloc(HUGE_PAGE, bytes), bytes);
}

static bool add_chunk(bpi_arena *arena, size_t least) {
    size_t bytes = arena->chunks ? arena->chunks->bytes * 2 : FIRST_CHUNK;
    bytes = bytes > LARGEST_CHUNK ? LARGEST_CHUNK : bytes;
    bytes = bytes < least ? least : bytes;
    size_t whole = sizeof(bpi_arena_chunk) + bytes;
    if (whole >= LARGE)
        whole = (whole + HUGE_PAGE - 1) / HUGE_PAGE * HUGE_PAGE;
    bytes = whole - sizeof(bpi_arena_chunk);
    bpi_arena_chunk *chunk = chunk_memory(whole);
    if (!chunk)
        return false;
    chunk->older = arena->chunks;
    chunk->bytes = bytes;
    arena->chunks = chunk;
    arena->next = chunk->room;
    arena->end = chunk->room + bytes;
    return true;
}

void *bpi_arena_more(bpi_arena *arena, size_t bytes) {
    const bool room = bytes <= SIZE_MAX / 2 && add_chunk(arena, (bytes + 7) / 8 * 8);
    return room ? bpi_arena_alloc(arena, bytes) : NULL;
}

void *bpi_arena_alloc_aligned(bpi_arena *arena, size_t bytes) {
    enum { ALIGNMENT = 64 };
    size_t room = (size_t)(arena->end - arena->next), gap = -(uintptr_t)arena->next % ALIGNMENT;
    if (bytes > SIZE_MAX / 2)
        return NULL;
    bytes = (bytes + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    if (room < gap + bytes && !add_chunk(arena, bytes + ALIGNMENT))
        return NULL;
    arena->next += -(uintptr_t)arena->next % ALIGNMENT;
    return bpi_arena_alloc(arena, bytes);
}

char *bpi_arena_text(bpi_arena *arena, const char *text) {
    size_t bytes = strlen(text) + 1;
    char *copy = bpi_arena_alloc(arena, bytes);
    return copy ? memcpy(copy, text, bytes) : NULL;
}

bool bpi_arena_reset(bpi_arena *arena) {
    if (!arena->chunks)
        return true;
    const bool alone = !arena->chunks->older;
    while (arena->chunks->older) {
        bpi_arena_chunk *older = arena->chunks->older;
        arena->chunks->older = older->older;
        bpi_free(older);
    }
    arena->next = arena->chunks->room;
    arena->end = arena->chunks->room + arena->chunks->bytes;
    return alone;
}

void bpi_arena_free(bpi_arena *arena) {
    while (arena->chunks) {
        bpi_arena_chunk *older = arena->chunks->older;
        bpi_free(arena->chunks);
        arena->chunks = older;
    }
    *arena = (bpi_arena){0};
}
