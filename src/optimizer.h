/* What the model knows of its optimizers. */
#ifndef BPI_OPTIMIZER_H
#define BPI_OPTIMIZER_H

#include <backprop/optim.h>

void bpi_optimizers_free(bp_model *model);

#endif
