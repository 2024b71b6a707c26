/* Random numbers by counting: Philox4x32-10 (Salmon, Moraes, Dror, Shaw: "Parallel random numbers:
 * as easy as 1, 2, 3", SC 2011). A draw is a pure function of a key and a counter, so that any
 * element of any stream can be had in any order, on any thread. */
#ifndef BPI_RANDOM_H
#define BPI_RANDOM_H

#include <stdint.h>

/* Four random words for a 64-bit key and a 128-bit counter (low word first). */
void bpi_philox(uint64_t key, uint64_t counter_low, uint64_t counter_high, uint32_t out[4]);

/* A uniform double in [0, 1) from two words: 53 bits. */
double bpi_uniform(uint32_t high, uint32_t low);

/* A stream read one value after the other, for code that runs once (initialisers,
 * shuffles, samplers). */
typedef struct bpi_random {
    uint64_t key, stream, next;
    uint32_t words[4];
    int left;
} bpi_random;
bpi_random bpi_random_new(uint64_t key, uint64_t stream);
uint32_t bpi_random_word(bpi_random *random);
double bpi_random_uniform(bpi_random *random); /* [0, 1) */
double bpi_random_normal(bpi_random *random);  /* mean 0, deviation 1; Box-Muller */
/* An integer in [0, bound) without bias; bound > 0. By rejection. */
uint64_t bpi_random_below(bpi_random *random, uint64_t bound);

#endif
