"""Signing in, and the list of projects."""

from __future__ import annotations

from django.contrib import messages
from django.contrib.auth import views as auth_views
from django.contrib.auth.decorators import login_required
from django.contrib.auth.forms import AuthenticationForm
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods

from webapp.accounts import selectors, services
from webapp.accounts.console import account_of, address_of
from webapp.accounts.forms import ProjectForm, SignInForm
from webapp.audit.acting import act_as_account
from webapp.core.errors import AppError
from webapp.overview.glance import glances_of


class SignIn(auth_views.LoginView):
    template_name = "accounts/sign_in.html"
    authentication_form = SignInForm
    redirect_authenticated_user = True

    def form_invalid(self, form: AuthenticationForm) -> HttpResponse:
        answer = super().form_invalid(form)
        answer.status_code = 429 if getattr(form, "is_throttled", False) else 400
        return answer


sign_in = SignIn.as_view()
sign_out = auth_views.LogoutView.as_view()


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def home(request: HttpRequest) -> HttpResponse:
    account = account_of(request)
    form = ProjectForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        act_as_account(account.get_username(), address_of(request))
        try:
            project = services.project_create(**form.cleaned_data, account=account)
        except AppError as error:
            form.add_error("slug", error.message)
        else:
            messages.success(
                request, f"Project {project.name} is there. The checklist below leads to its first answer."
            )
            return redirect("overview", project.slug)
    context = {"glances": glances_of(selectors.projects_of(account=account)), "form": form}
    return render(request, "accounts/home.html", context, status=400 if form.errors else 200)
