# CMake reads this when llama.cpp's project begins: .cargo/config.toml names it. It leaves out of llama-common what nothing here calls.
#
# llama-cpp-2 always has that library built, for chats, tools and downloads: 53 files and an HTTP server, longer to compile than llama.cpp
# itself. This program calls one function of it, the one that fits a model into devices. A file that is left out and wanted after all
# fails to link, so that a newer llama.cpp can't be built wrongly.
# Libraries of their own, as a release has them, stay whole: nothing is left out of them by the linker, either.
if(NOT PROJECT_NAME STREQUAL "llama.cpp" OR BUILD_SHARED_LIBS OR CMAKE_VERSION VERSION_LESS 3.19)
  return()
endif()

function(gguf_bench_leave_out)
  if(NOT TARGET llama-common OR NOT TARGET cpp-httplib)
    return()
  endif()
  get_target_property(sources llama-common SOURCES)
  list(FILTER sources EXCLUDE REGEX
       "(^|/)(jinja/.*|parsers/.*|chat.*|arg|console|debug|download|hf-cache|imatrix-loader|llguidance|peg-parser|preset|subproc)\\.(cpp|h)$")
  set_target_properties(llama-common PROPERTIES SOURCES "${sources}")
  foreach(property LINK_LIBRARIES INTERFACE_LINK_LIBRARIES)
    get_target_property(libraries llama-common ${property})
    list(FILTER libraries EXCLUDE REGEX "cpp-httplib")
    set_target_properties(llama-common PROPERTIES ${property} "${libraries}")
  endforeach()
  set_target_properties(cpp-httplib PROPERTIES EXCLUDE_FROM_ALL TRUE)
endfunction()

cmake_language(DEFER DIRECTORY ${CMAKE_SOURCE_DIR} CALL gguf_bench_leave_out)
