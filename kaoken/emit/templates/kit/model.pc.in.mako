prefix=@PREFIX@
libdir=@LIBDIR@
includedir=@INCLUDEDIR@
weights=@DATADIR@/${m.name}/${m.name}.weights

Name: ${m.name}
Description: ${m.title}, compiled by Kaoken
Version: ${m.version}
Libs: <%text>-L${libdir}</%text> -l${m.name} -lm -lpthread
Cflags: <%text>-I${includedir}</%text>
