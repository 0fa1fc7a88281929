<%text>@PACKAGE_INIT@
</%text>
include(CMakeFindDependencyMacro)
set(THREADS_PREFER_PTHREAD_FLAG ON)
find_dependency(Threads)
include("<%text>${CMAKE_CURRENT_LIST_DIR}</%text>/${m.name}Targets.cmake")
set_and_check(${m.name}_WEIGHTS "@PACKAGE_DATA_DIR@/${m.name}.weights")
check_required_components(${m.name})
