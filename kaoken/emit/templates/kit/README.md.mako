# ${m.name}

${m.title[0].upper() + m.title[1:]}, made by Kaoken ${m.version} from `${m.source}`: C99 that needs libc and nothing else.

    cc -O2 example/main.c *.c kaoken/*.c ${m.name + "_weights.o " if m.embedded else ""}-lm -lpthread -o main
% if k.text:
    ./main ${"" if m.embedded else m.name + ".weights "}"${k.prompt}"
% elif k.encoder:
    ./main ${"" if m.embedded else m.name + ".weights "}"A cat sat down."
% else:
    ./main${"" if m.embedded else " " + m.name + ".weights"}
% endif

The other ways to build it:

    make                                   # build/lib${m.name}.a; also: make shared, example, install, clean
    add_subdirectory(${m.name})            # CMake: link ${m.name}::${m.name}; after cmake --install: find_package(${m.name})
    pkg-config --cflags --libs ${m.name}   # after either install; --variable=weights says where the weights lie

Use it from C through `${m.name}.h`, from C++17 through `${m.name}.hpp`, from Python (with NumPy) through `${m.name}.py`:

```c
${m.name} *model;
if (${m.name}_create(&model, ${"0" if m.embedded else f'"{m.name}.weights"'}, 0) == ${m.upper}_OK) {
    ... /* ${k.calls} */
    ${m.name}_destroy(model);
}
```
```cpp
kaoken::${m.name}::Model model${"" if m.embedded else f'("{m.name}.weights")'};
% if k.text:
std::string text = model.${"answer" if m.interface.encode else "complete"}("${k.prompt}");
% else:
kaoken::${m.name}::Outputs outputs = model.run(inputs); // kaoken::${m.name}::Inputs
% endif
```
```python
from ${m.name} import ${"Session, TextGenerator" if m.interface.feed else "Session"}
outputs = Session().run(None, inputs)  # a dict of arrays: ${", ".join(v.name for v in m.interface.inputs[:3])}${", ..." if len(m.interface.inputs) > 3 else ""}
```

`${m.name}.c` is the place to start reading: it calls the kernels layer by layer. `report.html` shows sizes, kernels and memory.
${"The weights are linked in from `" + m.name + "_weights.o` (`" + m.name + ".weights` is the same as a file)." if m.embedded else "`" + m.name + ".weights` is mapped read-only and shared by all processes that use it."}
