/* The cheap elementwise functions on vectors (vec.h), where they are no instruction of their own.
 * They give the bits of map_arith.inc. */
#include "vec_math.h"

static inline vec v_maximum(vec a, vec b) { return v_select(v_equal(a, a), v_max(a, b), a); }
static inline vec v_minimum(vec a, vec b) { return v_select(v_equal(a, a), v_min(a, b), a); }
static inline vec v_square(vec a) { return v_mul(a, a); }
static inline vec v_reciprocal(vec a) { return v_div(v_set(1), a); }
static inline vec v_relu(vec a) { return v_max(v_set(0), a); }

static inline vec v_sign(vec a) {
    const vec zero = v_set(0);
    vec below = v_select(v_less(a, zero), v_set(-1), v_add(a, zero)); /* -0 + 0 = 0 */
    return v_select(v_less(zero, a), v_set(1), below);
}

static inline vec v_leaky_relu(vec a, vec slope) {
    return v_select(v_less(v_set(0), a), a, v_mul(slope, a));
}

static inline vec v_sigmoid_grad(vec y, vec gy) { return v_mul(gy, v_mul(y, v_sub(v_set(1), y))); }

static inline vec v_tanh_grad(vec y, vec gy) { return v_mul(gy, v_sub(v_set(1), v_mul(y, y))); }

static inline vec v_relu_grad(vec a, vec gy) {
    const vec zero = v_set(0);
    return v_select(v_less_equal(a, zero), zero, gy);
}

static inline vec v_leaky_relu_grad(vec a, vec gy, vec slope) {
    return v_select(v_less(v_set(0), a), gy, v_mul(slope, gy));
}

static inline vec v_gelu_grad(vec x, vec gy) { return v_mul(gy, v_gelu_slope(x)); }
static inline vec v_gelu_tanh_grad(vec x, vec gy) { return v_mul(gy, v_gelu_tanh_slope(x)); }
