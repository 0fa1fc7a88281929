/* Empty on purpose: in a stand-alone build the runtime keeps its own names. The copy that Kaoken writes
   beside a compiled model renames every external kk_ symbol to one that begins with the model's name. */
#ifndef KK_PREFIX_H
#define KK_PREFIX_H
#endif
