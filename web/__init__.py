"""What people and machines reach over HTTP: public pages, the console, the API, sign-in. A page changes a ticket or schedules work, never a store."""
