/* The kernels that OpenBLAS uses, which it chooses by the model of the CPU. */
#ifndef BPI_KERNEL_BLAS_CORE_H
#define BPI_KERNEL_BLAS_CORE_H

/* Makes OpenBLAS choose again where it runs kernels below what the CPU can do. Called once, before
 * the first product. The environment variable BP_BLAS_CORE=keep leaves its choice alone. */
void bpi_blas_choose_core(void);

/* Returns the name of the kernels in use, e.g. "SkylakeX"; "none" without OpenBLAS. */
const char *bpi_blas_core(void);

#endif
