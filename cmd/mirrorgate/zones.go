package main

// Budgets have calendars in zones. On a host without a time zone database, such as a bare container, none could be used, and with them no call
// could go on: so the program brings its own, 450 KB. One of the host goes before it.
import _ "time/tzdata"
