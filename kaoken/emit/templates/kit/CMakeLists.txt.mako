# ${m.name} as a C library. As part of a build: add_subdirectory(${m.name}), then target_link_libraries(app ${m.name}::${m.name}).
# Installed (cmake --install): find_package(${m.name}); ${m.name}_WEIGHTS is the weights file's path.
# Made by Kaoken ${m.version}.
cmake_minimum_required(VERSION 3.14)
project(${m.name} VERSION ${m.version} LANGUAGES C)

set(MODEL ${m.name})
set(SOURCES
% for source in k.sources:
    ${source}
% endfor
)
set(EMBEDDED_WEIGHTS ${m.name + "_weights.o" if m.embedded else ""})
option(${m.upper}_EXAMPLE "Build the example" ON)
option(${m.upper}_INSTALL "Make install rules" ON)
set(EXAMPLE ${"$"}{${m.upper}_EXAMPLE})
set(INSTALL ${"$"}{${m.upper}_INSTALL})
<%text>
include(GNUInstallDirs)
include(CMakePackageConfigHelpers)
set(THREADS_PREFER_PTHREAD_FLAG ON)
find_package(Threads REQUIRED)

set(TOP OFF)
if(CMAKE_SOURCE_DIR STREQUAL CMAKE_CURRENT_SOURCE_DIR)
    set(TOP ON)
endif()

# Static, or shared with -DBUILD_SHARED_LIBS=ON.
add_library(${MODEL} ${SOURCES} ${EMBEDDED_WEIGHTS})
add_library(${MODEL}::${MODEL} ALIAS ${MODEL})
set_target_properties(${MODEL} PROPERTIES
    C_STANDARD 99
    C_STANDARD_REQUIRED ON
    POSITION_INDEPENDENT_CODE ON
    WINDOWS_EXPORT_ALL_SYMBOLS ON
    SOVERSION ${PROJECT_VERSION_MAJOR}
    VERSION ${PROJECT_VERSION})
target_include_directories(${MODEL} PUBLIC
    $<BUILD_INTERFACE:${CMAKE_CURRENT_SOURCE_DIR}>
    $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>)
target_link_libraries(${MODEL} PRIVATE Threads::Threads)
if(UNIX)
    target_link_libraries(${MODEL} PRIVATE m)
endif()
# Kernels are for optimised builds; a build without a type gets one that is.
if(NOT MSVC)
    target_compile_options(${MODEL} PRIVATE $<$<CONFIG:>:-O2>)
endif()

if(EXAMPLE AND TOP)
    add_executable(${MODEL}_example example/main.c)
    set_target_properties(${MODEL}_example PROPERTIES C_STANDARD 99)
    target_link_libraries(${MODEL}_example PRIVATE ${MODEL})
endif()

if(INSTALL)
    set(PACKAGE_DIR ${CMAKE_INSTALL_LIBDIR}/cmake/${MODEL})
    set(DATA_DIR ${CMAKE_INSTALL_DATADIR}/${MODEL})
    install(TARGETS ${MODEL} EXPORT ${MODEL}Targets
        ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR}
        LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR}
        RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
    install(FILES ${MODEL}.h ${MODEL}.hpp DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
    install(FILES ${MODEL}.weights DESTINATION ${DATA_DIR})
    install(EXPORT ${MODEL}Targets NAMESPACE ${MODEL}:: DESTINATION ${PACKAGE_DIR})
    configure_package_config_file(${MODEL}Config.cmake.in ${CMAKE_CURRENT_BINARY_DIR}/${MODEL}Config.cmake
        INSTALL_DESTINATION ${PACKAGE_DIR} PATH_VARS DATA_DIR)
    write_basic_package_version_file(${CMAKE_CURRENT_BINARY_DIR}/${MODEL}ConfigVersion.cmake COMPATIBILITY SameMajorVersion)
    install(FILES ${CMAKE_CURRENT_BINARY_DIR}/${MODEL}Config.cmake ${CMAKE_CURRENT_BINARY_DIR}/${MODEL}ConfigVersion.cmake
        DESTINATION ${PACKAGE_DIR})
    set(PREFIX ${CMAKE_INSTALL_PREFIX})
    set(LIBDIR ${CMAKE_INSTALL_FULL_LIBDIR})
    set(INCLUDEDIR ${CMAKE_INSTALL_FULL_INCLUDEDIR})
    set(DATADIR ${CMAKE_INSTALL_FULL_DATADIR})
    configure_file(${MODEL}.pc.in ${CMAKE_CURRENT_BINARY_DIR}/${MODEL}.pc @ONLY)
    install(FILES ${CMAKE_CURRENT_BINARY_DIR}/${MODEL}.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
endif()
</%text>
