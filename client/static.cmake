# libcoatcheck.a: everything of ours in one object whose other symbols are
# local, so that a program can have names like ours.
set(static_objects $<TARGET_OBJECTS:coat_client> $<TARGET_OBJECTS:coat_rpc>
  $<TARGET_OBJECTS:coat_rpc_pure> $<TARGET_OBJECTS:coat_proto>
  $<TARGET_OBJECTS:coat_base> $<TARGET_OBJECTS:coat_pb>)
set(static_a ${CMAKE_CURRENT_BINARY_DIR}/libcoatcheck.a)
set(static_o ${CMAKE_CURRENT_BINARY_DIR}/coatcheck_whole.o)
add_custom_command(
  OUTPUT ${static_a}
  COMMAND ${CMAKE_LINKER} -r -o ${static_o} ${static_objects}
  COMMAND ${CMAKE_OBJCOPY} --wildcard --keep-global-symbol=coat_[!_]* ${static_o}
  COMMAND ${CMAKE_COMMAND} -E rm -f ${static_a}
  COMMAND ${CMAKE_AR} qcs ${static_a} ${static_o}
  DEPENDS coat_client coat_rpc coat_rpc_pure coat_proto coat_base
          ${static_objects}
  COMMAND_EXPAND_LISTS VERBATIM)
add_custom_target(coatcheck_static ALL DEPENDS ${static_a})
