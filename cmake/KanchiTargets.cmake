# kanchi_library(NAME SOURCES... LINK ...): a static library of the project.
# kanchi_test(NAME SOURCES... LINK ... [LABELS ...]): a cmocka program, run by CTest.
# kanchi_service(NAME SOURCES... LINK ...): an executable in bin/.
# kanchi_bench(NAME SOURCES... LINK ...): a program that measures, in bench/; built
#   by the target `bench` only.
# kanchi_fuzz(NAME SOURCE LINK ... CORPUS DIR): a fuzz target. In an ordinary
#   build it becomes a test that replays the corpus; with KANCHI_FUZZ it is a
#   libFuzzer program fuzz_NAME.

function(kanchi_library name)
  cmake_parse_arguments(A "" "" "LINK" ${ARGN})
  add_library(${name} STATIC ${A_UNPARSED_ARGUMENTS})
  target_link_libraries(${name} PUBLIC ${A_LINK})
  if(KANCHI_FUZZ)
    target_compile_options(${name} PRIVATE -fsanitize=fuzzer-no-link)
  endif()
endfunction()

# What libnng does that is not ours: see the files.
set(KANCHI_TEST_TSAN "TSAN_OPTIONS=suppressions=${PROJECT_SOURCE_DIR}/tests/tsan.supp")
set(KANCHI_TEST_LSAN
  "LSAN_OPTIONS=suppressions=${PROJECT_SOURCE_DIR}/tests/lsan.supp:print_suppressions=0")

function(kanchi_test name)
  if(NOT BUILD_TESTING)
    return()
  endif()
  cmake_parse_arguments(A "" "" "LINK;LABELS" ${ARGN})
  if(NOT TARGET kn_test_only)
    add_library(kn_test_only OBJECT ${PROJECT_SOURCE_DIR}/tests/only.c)
    target_link_libraries(kn_test_only PRIVATE PkgConfig::CMOCKA)
  endif()
  add_executable(${name} ${A_UNPARSED_ARGUMENTS} $<TARGET_OBJECTS:kn_test_only>)
  target_link_libraries(${name} PRIVATE ${A_LINK} PkgConfig::CMOCKA)
  set_target_properties(${name} PROPERTIES
    RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/tests)
  add_test(NAME ${name} COMMAND ${name}
           WORKING_DIRECTORY ${PROJECT_SOURCE_DIR})
  # a pattern that fits no test has not passed
  set_tests_properties(${name} PROPERTIES TIMEOUT 300 LABELS "unit;${A_LABELS}"
    FAIL_REGULAR_EXPRESSION "Running 0 test\\(s\\)"
    ENVIRONMENT "${KANCHI_TEST_TSAN};${KANCHI_TEST_LSAN}")
endfunction()

function(kanchi_service name)
  cmake_parse_arguments(A "" "" "LINK" ${ARGN})
  add_executable(${name} ${A_UNPARSED_ARGUMENTS})
  target_link_libraries(${name} PRIVATE ${A_LINK})
endfunction()

add_custom_target(bench)
function(kanchi_bench name)
  cmake_parse_arguments(A "" "" "LINK" ${ARGN})
  add_executable(${name} EXCLUDE_FROM_ALL ${A_UNPARSED_ARGUMENTS})
  target_link_libraries(${name} PRIVATE ${A_LINK})
  set_target_properties(${name} PROPERTIES
    RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/bench)
  add_dependencies(bench ${name})
endfunction()

function(kanchi_fuzz name source)
  if(NOT KANCHI_FUZZ AND NOT BUILD_TESTING)
    return()
  endif()
  cmake_parse_arguments(A "" "CORPUS" "LINK" ${ARGN})
  add_executable(fuzz_${name} ${source})
  target_link_libraries(fuzz_${name} PRIVATE ${A_LINK})
  set_target_properties(fuzz_${name} PROPERTIES
    RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/fuzz)
  if(KANCHI_FUZZ)
    target_compile_options(fuzz_${name} PRIVATE -fsanitize=fuzzer)
    target_link_options(fuzz_${name} PRIVATE -fsanitize=fuzzer)
  else()
    target_sources(fuzz_${name} PRIVATE ${PROJECT_SOURCE_DIR}/tests/fuzz/replay.c)
    add_test(NAME fuzz_${name}_corpus
             COMMAND fuzz_${name} ${PROJECT_SOURCE_DIR}/${A_CORPUS})
    set_tests_properties(fuzz_${name}_corpus PROPERTIES TIMEOUT 60 LABELS "unit")
  endif()
endfunction()
