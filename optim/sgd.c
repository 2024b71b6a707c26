/* Stochastic gradient descent with momentum μ, Nesterov's variant and weight decay λ:
 *
 *     d = g + λ w;   v ← μ v + d;   w ← w - lr v,   with Nesterov w ← w - lr (d + μ v)
 *
 * as in PyTorch with dampening 0 (v starts at 0, so that the first step is w - lr d). Source:
 * I. Sutskever et al., "On the importance of initialization and momentum in deep learning", ICML
 * 2013, with the rate outside the velocity. */
#include "optim/rule.h"

#include <math.h>

enum { MOMENTUM, NESTEROV, WEIGHT_DECAY, NUMBERS };

static bool uses_state(const double *config, int state) {
    (void)state;
    return config[MOMENTUM] != 0;
}

static void update(bp_update *u) {
    double momentum = u->config[MOMENTUM], decay = u->config[WEIGHT_DECAY];
    bp_tensor *d = u->gradient;
    if (decay != 0)
        d = bp_add(d, bpi_rule_scale(u->parameter, decay));
    if (momentum != 0) {
        bp_tensor *v = bp_add(bpi_rule_scale(u->state[0], momentum), d);
        u->new_state[0] = v;
        d = u->config[NESTEROV] != 0 ? bp_add(d, bpi_rule_scale(v, momentum)) : v;
    }
    u->new_parameter = bp_sub(u->parameter, bp_mul(d, u->rate[0]));
}

const bp_rule bpi_rule_sgd = {
    .name = "sgd",
    .formula = "d = g + λ w; v' = μ v + d; w' = w - lr v' (Nesterov: w - lr (d + μ v'))",
    .configs = NUMBERS,
    .states = 1,
    .state_names = {"velocity"},
    .uses_state = uses_state,
    .rates = 1,
    .update = update,
};

bp_sgd_config bp_sgd_defaults(void) { return (bp_sgd_config){.lr = 0.01}; }

bp_optimizer *bp_sgd(bp_model *model, const bp_sgd_config *config) {
    bp_sgd_config c = config ? *config : bp_sgd_defaults();
    if (!(c.momentum >= 0 && c.momentum < 1))
        return bpi_rule_refuse(model, "sgd", "momentum", c.momentum,
                               "use a number in [0, 1): 0 for none, or e.g. 0.9");
    if (c.nesterov && c.momentum == 0)
        return bpi_rule_refuse(model, "sgd", "momentum", c.momentum,
                               "Nesterov's variant is one of momentum: use e.g. 0.9");
    if (!(c.weight_decay >= 0 && isfinite(c.weight_decay)))
        return bpi_rule_refuse(model, "sgd", "weight_decay", c.weight_decay,
                               "use 0 for none, or e.g. 1e-4");
    const double numbers[NUMBERS] = {c.momentum, c.nesterov, c.weight_decay};
    return bp_optimizer_new(model, &bpi_rule_sgd, c.lr, numbers);
}
