/* OpenBLAS knows CPUs by their model numbers and runs kernels of the first 64-bit CPUs on one that
 * is newer than itself, at a fifth of the speed. What the CPU can do is no secret, so the choice is
 * corrected: OpenBLAS is told a core through its environment variable and made to read it again.
 * The functions that do this are exported by OpenBLAS but in no header of it; where they are
 * missing, nothing is done.
 *
 * A core that the user has chosen, by OPENBLAS_CORETYPE, is kept if it has AVX2; one below that on
 * a CPU that is above it looks like this very mistake. Nobody else may be in OpenBLAS meanwhile: a
 * program with BLAS calls of its own on other threads at that moment sets BP_BLAS_CORE=keep. */
#include "blas_core.h"

#if BPI_HAVE_CBLAS

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "cpu.h"
#include "memory.h"

extern char *openblas_get_corename(void) __attribute__((weak));
extern void gotoblas_dynamic_init(void) __attribute__((weak));
extern void gotoblas_dynamic_quit(void) __attribute__((weak));

static const char variable[] = "OPENBLAS_CORETYPE";

/* Cores by what they use; those not listed have no AVX2. A Zen with AVX-512 does well as a Zen. */
static const struct {
    const char *name;
    enum bpi_cpu_level level;
} cores[] = {{"Haswell", BPI_CPU_AVX2},      {"Zen", BPI_CPU_AVX512},
             {"Excavator", BPI_CPU_AVX2},    {"SkylakeX", BPI_CPU_AVX512},
             {"Cooperlake", BPI_CPU_AVX512}, {"SapphireRapids", BPI_CPU_AVX512}};

static enum bpi_cpu_level level_of(const char *core) {
    for (size_t i = 0; i < sizeof cores / sizeof *cores; i++)
        if (strcasecmp(core, cores[i].name) == 0)
            return cores[i].level;
    return BPI_CPU_SSE2;
}

static void choose_again(const char *core) {
    setenv(variable, core, 1);
    gotoblas_dynamic_quit();
    gotoblas_dynamic_init();
}

static char *copy_of(const char *text) {
    char *copy = bpi_alloc(strlen(text) + 1);
    return copy ? strcpy(copy, text) : NULL;
}

/* Chooses `core`, or again what there was if that makes things worse, and
 * restores the environment. */
static void replace_core(const char *core) {
    const char *set = getenv(variable);
    char *variable_before = set ? copy_of(set) : NULL, *before = copy_of(openblas_get_corename());
    if (before && (variable_before || !set)) {
        choose_again(core);
        if (level_of(openblas_get_corename()) < level_of(core))
            choose_again(before);
        if (variable_before)
            setenv(variable, variable_before, 1);
        else
            unsetenv(variable);
    }
    bpi_free(variable_before);
    bpi_free(before);
}

void bpi_blas_choose_core(void) {
    const char *keep = getenv("BP_BLAS_CORE");
    if (!openblas_get_corename || !gotoblas_dynamic_init || !gotoblas_dynamic_quit ||
        (keep && strcmp(keep, "keep") == 0))
        return;
    enum bpi_cpu_level can = bpi_cpu_level(), uses = level_of(openblas_get_corename());
    if (can != BPI_CPU_AVX2 && can != BPI_CPU_AVX512)
        return;
    if (uses < BPI_CPU_AVX2 || (uses < can && !getenv(variable)))
        replace_core(can == BPI_CPU_AVX512 ? "SkylakeX" : "Haswell");
}

const char *bpi_blas_core(void) {
    return openblas_get_corename ? openblas_get_corename() : "unknown";
}

#else

void bpi_blas_choose_core(void) {}

const char *bpi_blas_core(void) { return "none"; }

#endif
