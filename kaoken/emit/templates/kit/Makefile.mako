# make: build/lib${m.name}.a; make shared; make example; make install PREFIX=/usr/local; make clean
# Made by Kaoken ${m.version}. Any make, any C99 compiler.
CFLAGS = -O2
AR = ar
SO = so
PREFIX = /usr/local
LIBS = -lm -lpthread

STATIC = build/lib${m.name}.a
SHARED = build/lib${m.name}.$(SO)
HEADERS = ${" ".join(k.headers)}
OBJECTS = ${" ".join(o for _, o in k.objects)}${f" {m.name}_weights.o" if m.embedded else ""}

all: $(STATIC)

shared: $(SHARED)

example: build/example

$(STATIC): $(OBJECTS)
	rm -f $@
	$(AR) rcs $@ $(OBJECTS)

$(SHARED): $(OBJECTS)
	$(CC) $(CFLAGS) $(LDFLAGS) -shared -o $@ $(OBJECTS) $(LIBS)

build/example: example/main.c $(STATIC)
	$(CC) $(CFLAGS) $(LDFLAGS) -o $@ example/main.c $(STATIC) $(LIBS)

% for source, made in k.objects:
${made}: ${source} $(HEADERS)
	@mkdir -p build
	$(CC) $(CPPFLAGS) $(CFLAGS) -fPIC -c ${source} -o $@

% endfor
install: $(STATIC)
	mkdir -p $(DESTDIR)$(PREFIX)/lib/pkgconfig $(DESTDIR)$(PREFIX)/include $(DESTDIR)$(PREFIX)/share/${m.name}
	cp $(STATIC) $(DESTDIR)$(PREFIX)/lib/
	cp ${m.name}.h ${m.name}.hpp $(DESTDIR)$(PREFIX)/include/
	cp ${m.name}.weights $(DESTDIR)$(PREFIX)/share/${m.name}/
	sed -e 's|@PREFIX@|$(PREFIX)|' -e 's|@LIBDIR@|$(PREFIX)/lib|' -e 's|@INCLUDEDIR@|$(PREFIX)/include|' ${"\\"}
	    -e 's|@DATADIR@|$(PREFIX)/share|' ${m.name}.pc.in > $(DESTDIR)$(PREFIX)/lib/pkgconfig/${m.name}.pc

clean:
	rm -rf build

.PHONY: all shared example install clean
