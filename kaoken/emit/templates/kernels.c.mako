/* ${m.name}_kernels.c: every kernel of ${m.name}, each once, written on 16 logical lanes (kaoken/kk_simd.h).
 *
 * Compiled by itself this is the baseline level; ${m.name}_kernels_avx2.c and ${m.name}_kernels_avx512.c compile it again for
 * theirs. Every level with fused multiply-add gives the same bits.
 */
#ifndef ${m.upper}_KERNELS_TABLE
#define ${m.upper}_KERNELS_TABLE ${m.name}_kernels_baseline
#endif

#include "kaoken/kk_simd.h"
#include "kaoken/kk_math.h"
#include "kaoken/kk_activation.h"
#include "kaoken/kk_scalar.h"
% for header in m.headers:
#include "kaoken/${header}"
% endfor
#include "${m.name}_kernels.h"

${tiles}
% for kernel in m.program.kernels:
${kernel.text.rstrip()}

% endfor
extern const ${m.name}_kernels ${m.upper}_KERNELS_TABLE;
const ${m.name}_kernels ${m.upper}_KERNELS_TABLE = {
    KK_LEVEL_TEXT,
% for kernel in m.program.kernels:
    ${kernel.name},
% endfor
};

#include "kaoken/kk_simd_end.h"
