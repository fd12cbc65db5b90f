"""Amazon Personalize's runtime and events calls, as an unmodified boto3 client makes them."""
