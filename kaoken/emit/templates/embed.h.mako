<% e = m.embedding %>
/* Vectors of texts. The checkpoint says: pooling ${e.pooling.mode or "unknown"}, ${"to length 1" if e.pooling.normalize else "of any length"}${f", at most {e.pooling.max_length} ids of a text" if e.pooling.max_length else ""}. */
#define ${m.upper}_EMBEDDING ${e.width}

${m.fixed("embed.h")}
% if m.tokenizer:

${m.fixed("embed_text.h")}
% endif
