/* XOR, the smallest problem that needs a hidden layer: two inputs, four hidden units, one
 * output.
 *
 *     xor [--relu] [--rate R] [--steps N] [--seed S] [--naive]
 *
 * Without options hidden and output units are sigmoids and the loss is the mean squared error.
 * With --relu the hidden units are relu, the output is linear and the loss is E = ½ Σ (y - t)²;
 * then try --rate 1.5 to see what a small learning rate is there to prevent. --naive runs one op
 * at a time with reference kernels instead of the compiled plan. Compiles as C11 and as C++17. */
#include <backprop.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const float inputs[4][2] = {{0, 0}, {0, 1}, {1, 0}, {1, 1}};
static const float targets[4] = {0, 1, 1, 0};

static void print_explanation(double rate) {
    printf(
        "\nThe loss grows without end: every step jumps past the minimum, further than it was "
        "away.\n"
        "Take the output's bias b alone. Four samples make E curve by 4 along it, so that a step\n"
        "multiplies its distance from the best value by 1 - 4 x rate = %g. Only a rate below 0.5\n"
        "makes that smaller than 1 in size; try --rate 0.1.\n",
        1 - 4 * rate);
}

/* Returns the number of cases on the right side of one half. */
static int print_table(const float *before, const float *after) {
    int right = 0;
    printf("\n  case      target   before    after\n");
    for (int k = 0; k < 4; k++) {
        bool good = (after[k] > 0.5f) == (targets[k] > 0.5f);
        right += good;
        printf("  %g xor %g      %g     %6.3f   %6.3f  %s\n", inputs[k][0], inputs[k][1],
               targets[k], before[k], after[k], good ? "right" : "wrong");
    }
    return right;
}

/* Trains; returns false when the loss runs away. */
static bool train(bp_optimizer *optimizer, bp_tensor *loss, int steps) {
    int shown = 1;
    for (int step = 1; step <= steps; step++) {
        if (bp_step(optimizer, loss) != BP_OK)
            return true; /* main reports it */
        double error = bp_item(loss);
        if (step == shown || step == steps) {
            printf("  step %5d   loss %.6g\n", step, error);
            shown *= 2;
        }
        if (!(error < 1e6)) {
            printf("  step %5d   loss %.6g\n", step, error);
            return false;
        }
    }
    return true;
}

int main(int argc, char **argv) {
    bool relu = false, naive = false;
    double rate = 0;
    int steps = 0;
    unsigned long seed = 1;
    for (int k = 1; k < argc; k++) {
        if (strcmp(argv[k], "--relu") == 0)
            relu = true;
        else if (strcmp(argv[k], "--naive") == 0)
            naive = true;
        else if (strcmp(argv[k], "--rate") == 0 && k + 1 < argc)
            rate = atof(argv[++k]);
        else if (strcmp(argv[k], "--steps") == 0 && k + 1 < argc)
            steps = atoi(argv[++k]);
        else if (strcmp(argv[k], "--seed") == 0 && k + 1 < argc)
            seed = strtoul(argv[++k], NULL, 10);
        else
            return fprintf(stderr,
                           "usage: xor [--relu] [--rate R] [--steps N] [--seed S] [--naive]\n"),
                   2;
    }

    /* Record the network once. */
    bp_model *model = bp_model_new();
    bp_graph *graph = bp_graph_new(model);
    bp_seed(model, seed);
    bp_tensor *x = bp_input(graph, "x", BP_F32, BP_SHAPE(4, 2));
    bp_tensor *t = bp_input(graph, "t", BP_F32, BP_SHAPE(4, 1));
    bp_tensor *z = bp_linear(x, "hidden", 4);
    bp_tensor *y = bp_linear(relu ? bp_relu(z) : bp_sigmoid(z), "output", 1);
    y = relu ? y : bp_sigmoid(y);
    bp_tensor *loss = relu ? bp_squared_error(y, t) : bp_mse(y, t);
    bp_sgd_config config = bp_sgd_defaults();
    config.lr = rate > 0 ? rate : relu ? 0.1 : 2;
    bp_optimizer *sgd = bp_sgd(model, &config);
    bp_set_executor(graph, naive ? BP_NAIVE : BP_PLANNED);

    /* Run it. Failures stick: one check at the end is enough. */
    float before[4] = {0}, after[4] = {0};
    static bp_check_report report;
    bp_write(x, inputs);
    bp_write(t, targets);
    bp_read(y, before, sizeof before);
    bp_status agree = bp_check_plan(&loss, 1, &report);
    bool stayed = train(sgd, loss, steps > 0 ? steps : relu ? 1000 : 5000);
    bp_read(y, after, sizeof after);

    int result = EXIT_FAILURE;
    if (bp_failed(graph) || agree != BP_OK)
        fprintf(stderr, "%s\n", bp_failed(graph) ? bp_error(graph) : report.text);
    else if (!stayed && relu && config.lr >= 0.5)
        print_explanation(config.lr), result = EXIT_SUCCESS;
    else if (print_table(before, after) == 4)
        result = EXIT_SUCCESS;
    else if (relu)
        puts("A relu unit that is negative in all four cases learns no more: try another --seed.");
    bp_graph_free(graph);
    bp_model_free(model);
    return result;
}
