/* Sums of doubles for the references, as if made in twice the precision and rounded once: what each
 * addition rounds off is summed up beside it. Source: Ogita, Rump and Oishi 2005, "Accurate sum and
 * dot product"; the part that is rounded off: Knuth, TAOCP vol. 2, 4.2.2. */
#ifndef BPI_KERNEL_EXACT_H
#define BPI_KERNEL_EXACT_H

typedef struct bpi_exact {
    double sum, rest;
} bpi_exact;

void bpi_exact_add(bpi_exact *s, double x);
double bpi_exact_value(const bpi_exact *s);

#endif
