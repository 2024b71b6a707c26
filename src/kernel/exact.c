/* Sums in twice the precision. */
#include "exact.h"

#include <math.h>

void bpi_exact_add(bpi_exact *s, double x) {
    const double sum = s->sum + x, of_x = sum - s->sum;
    s->rest += (s->sum - (sum - of_x)) + (x - of_x);
    s->sum = sum;
}

/* What is rounded off an infinite sum is not a number. */
double bpi_exact_value(const bpi_exact *s) { return isfinite(s->sum) ? s->sum + s->rest : s->sum; }
