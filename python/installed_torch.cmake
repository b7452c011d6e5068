# For a wheel: the Python that asks for it, and the torch that is installed there.
find_package(Python REQUIRED COMPONENTS Interpreter Development.Module)
if(NOT LIBTORCH)
  execute_process(COMMAND "${Python_EXECUTABLE}" "${PROJECT_SOURCE_DIR}/python/find_torch.py"
    OUTPUT_VARIABLE torch_folder OUTPUT_STRIP_TRAILING_WHITESPACE COMMAND_ERROR_IS_FATAL ANY)
  if(NOT torch_folder MATCHES "^/usr/lib/")  # Debian's is found by itself
    set(LIBTORCH "${torch_folder}" CACHE PATH "folder of the torch that is installed" FORCE)
  endif()
endif()
