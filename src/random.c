/* Philox4x32-10 and what is drawn from it; see random.h. */
#include "random.h"

#include <math.h>

static void philox_round(uint32_t c[4], uint32_t k0, uint32_t k1) {
    uint64_t a = (uint64_t)0xD2511F53u * c[0], b = (uint64_t)0xCD9E8D57u * c[2];
    uint32_t c0 = (uint32_t)(b >> 32) ^ c[1] ^ k0, c2 = (uint32_t)(a >> 32) ^ c[3] ^ k1;
    c[1] = (uint32_t)b;
    c[3] = (uint32_t)a;
    c[0] = c0;
    c[2] = c2;
}

void bpi_philox(uint64_t key, uint64_t counter_low, uint64_t counter_high, uint32_t out[4]) {
    uint32_t k0 = (uint32_t)key, k1 = (uint32_t)(key >> 32);
    out[0] = (uint32_t)counter_low;
    out[1] = (uint32_t)(counter_low >> 32);
    out[2] = (uint32_t)counter_high;
    out[3] = (uint32_t)(counter_high >> 32);
    for (int round = 0; round < 10; round++) {
        philox_round(out, k0, k1);
        k0 += 0x9E3779B9u; /* Weyl sequence: golden ratio, √3 - 1 */
        k1 += 0xBB67AE85u;
    }
}

double bpi_uniform(uint32_t high, uint32_t low) {
    uint64_t bits = ((uint64_t)high << 32 | low) >> 11;
    return (double)bits * 0x1p-53;
}

bpi_random bpi_random_new(uint64_t key, uint64_t stream) {
    return (bpi_random){.key = key, .stream = stream};
}

uint32_t bpi_random_word(bpi_random *random) {
    if (random->left == 0) {
        bpi_philox(random->key, random->next++, random->stream, random->words);
        random->left = 4;
    }
    return random->words[4 - random->left--];
}

double bpi_random_uniform(bpi_random *random) {
    uint32_t high = bpi_random_word(random);
    return bpi_uniform(high, bpi_random_word(random));
}

double bpi_random_normal(bpi_random *random) {
    double radius = sqrt(-2 * log(1 - bpi_random_uniform(random)));
    return radius * cos(6.283185307179586476925286766559 * bpi_random_uniform(random));
}

uint64_t bpi_random_below(bpi_random *random, uint64_t bound) {
    uint64_t limit =
        UINT64_MAX - UINT64_MAX % bound; /* a multiple of bound: no value is favoured */
    uint64_t draw;
    do {
        uint32_t high = bpi_random_word(random);
        draw = (uint64_t)high << 32 | bpi_random_word(random);
    } while (draw >= limit);
    return draw % bound;
}
