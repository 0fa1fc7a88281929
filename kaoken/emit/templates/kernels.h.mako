/* ${m.name}_kernels.h: the kernels of ${m.name}, compiled once for each instruction set level. Internal to the model. */
#ifndef ${m.upper}_KERNELS_H
#define ${m.upper}_KERNELS_H

#include "kaoken/kk_cache.h"
#include "kaoken/kk_threads.h"

#include <stdint.h>

typedef struct ${m.name}_kernels {
    const char *level;
% for kernel in m.program.kernels:
    void (*${kernel.name})(${kernel.parameters});
% endfor
} ${m.name}_kernels;

/* The baseline level: NEON on aarch64, else plain C. With KK_BASELINE_ONLY defined for all sources it is the only one, as small
   devices and quick builds want it, and the files of the others compile to nothing. */
extern const ${m.name}_kernels ${m.name}_kernels_baseline;
#if (defined(__x86_64__) || defined(_M_X64)) && !defined(KK_BASELINE_ONLY)
#define ${m.upper}_X86_LEVELS 1
extern const ${m.name}_kernels ${m.name}_kernels_avx2, ${m.name}_kernels_avx512;
#endif

#endif
