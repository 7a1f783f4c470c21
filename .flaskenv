# What `flask run` serves in a checkout, and where.
FLASK_APP=hello_app
FLASK_RUN_PORT=8080
