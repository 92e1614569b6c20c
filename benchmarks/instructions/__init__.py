"""Instructions per request, counted by valgrind: the same whatever else the machine does.

guard      compares with what was recorded; `make bench-check`
server_rows, client_rows
           what is counted: one row each, and how it is driven
counted    runs a program under valgrind and reads its counts
obey       the counted program's side: it does what it is told, a line at a time
counted_server, counted_client
           the two programs
applications
           the handlers of the counted servers
wire       the other end of their connections, which is not counted
"""
