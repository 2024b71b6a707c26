/* Hashing for the tables of the library. */
#include "graph.h"

uint64_t bpi_hash_text(const char *text) {
    uint64_t hash = 0xCBF29CE484222325u; /* FNV-1a, Fowler, Noll, Vo */
    for (const unsigned char *at = (const unsigned char *)text; *at; at++)
        hash = (hash ^ *at) * 0x100000001B3u;
    return hash ^ hash >> 29;
}

uint64_t bpi_hash_mix(uint64_t hash, uint64_t word) {
    hash = (hash ^ word) * 0x9E3779B97F4A7C15u; /* 2^64 / golden ratio: multiplicative hashing */
    return hash ^ hash >> 32;
}
