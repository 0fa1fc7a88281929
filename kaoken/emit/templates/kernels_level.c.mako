/* The kernels of ${m.name} for ${text}. */
#if (defined(__x86_64__) || defined(_M_X64)) && !defined(KK_BASELINE_ONLY)
#define KK_LEVEL_${level.upper()} 1
#define ${m.upper}_KERNELS_TABLE ${m.name}_kernels_${level}
#include "${m.name}_kernels.c"
#else
typedef int ${m.name}_has_no_${level};
#endif
