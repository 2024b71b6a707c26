/* backprop: reverse-mode automatic differentiation in C11.
 *
 * A program records tensors and ops in a graph, asks for gradients (which are graph too) and steps
 * an optimizer; the library compiles what is asked for into one plan and replays it.
 *
 *     #include <backprop.h>
 *     #include <stdio.h>
 *
 *     int main(void) {
 *         float inputs[] = {0, 0, 0, 1, 1, 0, 1, 1}, targets[] = {0, 1, 1, 0};
 *         bp_model *m = bp_model_new();
 *         bp_graph *g = bp_graph_new(m);
 *         bp_tensor *x = bp_input(g, "x", BP_F32, BP_SHAPE(4, 2));
 *         bp_tensor *t = bp_input(g, "t", BP_F32, BP_SHAPE(4, 1));
 *         bp_tensor *h = bp_sigmoid(bp_linear(x, "hidden", 4));
 *         bp_tensor *y = bp_sigmoid(bp_linear(h, "output", 1));
 *         bp_tensor *loss = bp_mse(y, t);
 *         bp_sgd_config config = bp_sgd_defaults();
 *         config.lr = 2;
 *         bp_optimizer *sgd = bp_sgd(m, &config);
 *         bp_write(x, inputs);
 *         bp_write(t, targets);
 *         for (int step = 0; step < 5000; step++)
 *             bp_step(sgd, loss);
 *         if (bp_failed(g))
 *             fprintf(stderr, "%s\n", bp_error(g));
 *         const float *p = bp_f32(y);
 *         for (int k = 0; p && k < 4; k++)
 *             printf("%g xor %g = %.3f\n", inputs[2 * k], inputs[2 * k + 1], p[k]);
 *         bp_graph_free(g);
 *         bp_model_free(m);
 *     }
 *
 * From simple to advanced: graph.h (recording, values, gradients), ops.h (the ops), nn.h (layers),
 * optim.h (optimizers), data.h (data sets), verify.h (gradient checks), op.h (ops of your own). */
#ifndef BACKPROP_H
#define BACKPROP_H

#include <backprop/base.h>
#include <backprop/graph.h>
#include <backprop/ops.h>
#include <backprop/nn.h>
#include <backprop/optim.h>
#include <backprop/data.h>
#include <backprop/verify.h>
#include <backprop/op.h>

#endif
