output "arn" {
  description = "ARN of the key."
  value       = aws_kms_key.this.arn

  # Whoever encrypts with the key finds its alias, too.
  depends_on = [aws_kms_alias.this]
}
