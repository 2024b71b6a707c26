/* The hashes of strings. */
#include <string.h>

#include "graph.h"

uint64_t bpi_hash_text(const char *text) {
    uint64_t hash = 0xCBF29CE484222325u; /* FNV-1a, Fowler, Noll, Vo */
    for (const unsigned char *at = (const unsigned char *)text; *at; at++)
        hash = (hash ^ *at) * 0x100000001B3u;
    return hash ^ hash >> 29;
}

uint64_t bpi_hash_name(const char *name) {
    const size_t length = strlen(name);
    uint64_t hash = length, word = 0;
    for (size_t k = 0; k + sizeof word <= length; k += sizeof word) {
        memcpy(&word, name + k, sizeof word);
        hash = bpi_hash_mix(hash, word);
    }
    if (length >= sizeof word)
        memcpy(&word, name + length - sizeof word, sizeof word);
    for (size_t k = 0; k < length && length < sizeof word; k++)
        word = word << 8 | (unsigned char)name[k];
    return bpi_hash_mix(hash, word);
}
