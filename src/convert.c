/* Single elements as doubles: for code that runs once per value, not for kernels. */
#include "graph.h"

/* Cuts to a range, so that the conversion to an integer is defined; NaN becomes 0. */
static double cut(double value, double low, double high) {
    return value >= low ? (value <= high ? value : high) : value < low ? low : 0;
}

void bpi_store(bp_dtype dtype, void *at, int64_t index, double value) {
    switch (dtype) {
    case BP_F32: ((float *)at)[index] = (float)value; break;
    case BP_F64: ((double *)at)[index] = value; break;
    case BP_I32: ((int32_t *)at)[index] = (int32_t)cut(value, INT32_MIN, INT32_MAX); break;
    case BP_I64: ((int64_t *)at)[index] = (int64_t)cut(value, -0x1p63, 0x1p63 - 1024); break;
    case BP_U8: ((uint8_t *)at)[index] = (uint8_t)cut(value, 0, UINT8_MAX); break;
    case BP_BOOL: ((uint8_t *)at)[index] = value != 0; break;
    case BP_DTYPE_COUNT: break;
    }
}

double bpi_load(bp_dtype dtype, const void *at, int64_t index) {
    switch (dtype) {
    case BP_F32: return (double)((const float *)at)[index];
    case BP_F64: return ((const double *)at)[index];
    case BP_I32: return ((const int32_t *)at)[index];
    case BP_I64: return (double)((const int64_t *)at)[index];
    case BP_U8:
    case BP_BOOL: return ((const uint8_t *)at)[index];
    case BP_DTYPE_COUNT: break;
    }
    return 0;
}
