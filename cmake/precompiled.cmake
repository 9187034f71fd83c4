# The standard library is read once instead of once a file, a third of the time of a build without optimisation. A release is built
# without, so that a file which forgot an include does not pass; so is every program of C.
option(COUNTERSIGN_PRECOMPILE "precompiled headers (dev and sanitizer builds)" OFF)

if(COUNTERSIGN_PRECOMPILE)
  # GCC hands a precompiled header's name on to ccache only with this.
  add_compile_options($<$<COMPILE_LANGUAGE:CXX>:-fpch-preprocess>)
  add_library(precompiled OBJECT cmake/empty.cc)
  target_precompile_headers(precompiled PRIVATE $<$<COMPILE_LANGUAGE:CXX>:${CMAKE_SOURCE_DIR}/cmake/precompiled.h>)
endif()

# precompiled(TARGET [WITH OTHER]): TARGET's files begin with what OTHER, `precompiled` where none is named, has read.
function(precompiled target)
  cmake_parse_arguments(PARSE_ARGV 1 arg "" "WITH" "")
  if(NOT arg_WITH)
    set(arg_WITH precompiled)
  endif()
  if(COUNTERSIGN_PRECOMPILE)
    target_precompile_headers(${target} REUSE_FROM ${arg_WITH})
  endif()
endfunction()
