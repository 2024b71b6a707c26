/* The hash of a string. */
#include "graph.h"

uint64_t bpi_hash_text(const char *text) {
    uint64_t hash = 0xCBF29CE484222325u; /* FNV-1a, Fowler, Noll, Vo */
    for (const unsigned char *at = (const unsigned char *)text; *at; at++)
        hash = (hash ^ *at) * 0x100000001B3u;
    return hash ^ hash >> 29;
}
