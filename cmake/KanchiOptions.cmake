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

if(CMAKE_BUILD_TYPE MATCHES "Rel")
  add_compile_definitions(_FORTIFY_SOURCE=2)
endif()
if(KANCHI_SANITIZE)
  add_compile_options(-fsanitize=${KANCHI_SANITIZE} -fno-sanitize-recover=all)
  add_link_options(-fsanitize=${KANCHI_SANITIZE})
endif()
if(KANCHI_COVERAGE)
  add_compile_options(--coverage)
  add_link_options(--coverage)
endif()
