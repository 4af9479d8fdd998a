# Compiler settings for every target of the project.
set(CMAKE_C_STANDARD 11)
set(CMAKE_C_STANDARD_REQUIRED ON)
set(CMAKE_C_EXTENSIONS ON)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
set(CMAKE_RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/bin)

if(NOT CMAKE_BUILD_TYPE)
  set(CMAKE_BUILD_TYPE RelWithDebInfo)
endif()

set(KANCHI_SANITIZE "" CACHE STRING
    "Sanitizers to compile with: 'address,undefined', 'thread' or nothing")
option(KANCHI_COVERAGE "Count which lines the tests reach" OFF)
option(KANCHI_FUZZ "Build the fuzz targets with libFuzzer (needs clang)" OFF)

add_compile_options(
  -Wall -Wextra -Werror -Wshadow -Wpointer-arith -Wstrict-prototypes
  -Wmissing-prototypes -Wwrite-strings -Wformat=2 -Wvla
  -fno-omit-frame-pointer -fstack-protector-strong)
if(CMAKE_C_COMPILER_ID STREQUAL "GNU")
  # what it guesses changes with each sanitizer; clang does not know it
  add_compile_options(-Wno-format-truncation)
endif()
add_compile_definitions(_GNU_SOURCE KANCHI_VERSION="${PROJECT_VERSION}")
include_directories(${PROJECT_SOURCE_DIR})


# Against exploits, in release builds: what this compiler and this linker know.
# tests/hardening_test.py reads the programs.
include(CheckCCompilerFlag)
include(CheckCSourceCompiles)
include(CheckLinkerFlag)

function(kanchi_harden_compiler flag)
  string(MAKE_C_IDENTIFIER "KANCHI_HAS${flag}" has)
  check_c_compiler_flag(${flag} ${has})
  if(${has})
    add_compile_options(${flag})
  endif()
endfunction()

function(kanchi_harden_linker flag)
  string(MAKE_C_IDENTIFIER "KANCHI_LINKS${flag}" has)
  check_linker_flag(C ${flag} ${has})
  if(${has})
    add_link_options(${flag})
  endif()
endfunction()

if(CMAKE_BUILD_TYPE MATCHES "Rel")
  kanchi_harden_compiler(-fPIE)
  kanchi_harden_compiler(-fstack-clash-protection)
  kanchi_harden_compiler(-fcf-protection=full)           # x86
  kanchi_harden_compiler(-mbranch-protection=standard)   # arm64
  kanchi_harden_linker(-pie)
  kanchi_harden_linker(-Wl,-z,relro)
  kanchi_harden_linker(-Wl,-z,now)
  kanchi_harden_linker(-Wl,-z,noexecstack)
  # the C library warns where it has no 3
  set(CMAKE_REQUIRED_FLAGS "-Werror -O2 -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=3")
  check_c_source_compiles("#include <string.h>\nint main(void) { return 0; }" KANCHI_HAS_FORTIFY_3)
  unset(CMAKE_REQUIRED_FLAGS)
  add_compile_options(-U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=$<IF:$<BOOL:${KANCHI_HAS_FORTIFY_3}>,3,2>)
endif()
if(KANCHI_SANITIZE)
  add_compile_options(-fsanitize=${KANCHI_SANITIZE} -fno-sanitize-recover=all)
  add_link_options(-fsanitize=${KANCHI_SANITIZE})
endif()
if(KANCHI_COVERAGE)
  add_compile_options(--coverage -fprofile-update=atomic)
  add_link_options(--coverage)
endif()
