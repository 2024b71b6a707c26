/* Plain loops and direct calls for the micro-benchmarks. */
#include "reference.h"
#include "peers/hand/hand.h"

#include <cblas.h>
#include <math.h>
#include <stdlib.h>

void reference_sigmoid(int64_t n, const float *restrict x, float *restrict y) {
    for (int64_t i = 0; i < n; i++)
        y[i] = 1 / (1 + expf(-x[i]));
}

void reference_relu(int64_t n, const float *restrict x, float *restrict y) {
    for (int64_t i = 0; i < n; i++)
        y[i] = x[i] > 0 ? x[i] : 0;
}

void reference_product(int m, int n, int k, const float *a, const float *b, float *y) {
    cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, m, n, k, 1, a, k, b, n, 0, y, n);
}

typedef struct xor_net {
    problem p;
    void *state;
} xor_net;

void *reference_xor_new(const float *inputs, const float *targets) {
    static const float weight[8] = {0.1f, -0.4f, 0.3f, 0.2f, -0.5f, 0.6f, 0.1f, -0.2f};
    xor_net *net = calloc(1, sizeof *net);
    net->p = (problem){.batch = 4, .n_batches = 1, .n_layers = 2, .size = {2, 4, 1}, .lr = 0.01};
    net->p.weight[0] = net->p.weight[1] = net->p.bias[0] = net->p.bias[1] = weight;
    net->p.x[0] = inputs, net->p.target[0] = targets;
    net->state = xor_f32.open(&net->p);
    xor_f32.reset(net->state);
    return net;
}

void reference_xor_step(void *net) { xor_f32.steps(((xor_net *)net)->state, 1); }

void reference_xor_free(void *net) {
    xor_f32.close(((xor_net *)net)->state);
    free(net);
}
